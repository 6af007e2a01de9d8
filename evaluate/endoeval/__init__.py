"""Judge encoders: features in, numbers with honest intervals out."""
