"""What is made of pictures: image to image, inpainting, instructions, and upscaling.

pictures.py reads what a caller gives, asked.py checks it, prepared.py encodes it and says where a
batch begins and what it is drawn by, finished.py puts what was drawn back into what was given.
"""
