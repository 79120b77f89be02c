"""LLVM code of a scheduled graph: instructions, functions, kernels with their loops."""
