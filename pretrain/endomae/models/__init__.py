"""Networks: the encoder to be trained, and the parts of methods that are thrown away afterwards."""
