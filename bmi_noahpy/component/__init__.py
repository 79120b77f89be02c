"""The model behind the Basic Model Interface of CSDMS (bmipy 2.0), and what frameworks need around it."""
