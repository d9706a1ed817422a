"""The systems that can be trained, behind one seam."""
