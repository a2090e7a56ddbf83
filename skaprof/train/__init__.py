"""Training on real images, to see what a mixer is worth: an honest small experiment, not a training framework."""
