"""Whether a component with the gradient extension does what the extension promises."""
