"""Pictures of what SapiensID sees: regions, positions, kept tokens, attention, similar parts.

One picture a file; canvas.py composes them, photo.py and patches.py draw on the photo. Images are
(S, S, 3) uint8 RGB, keypoints (19, 3) fractions of the image and visibility, boxes left, top,
right, bottom as fractions of the image.
"""
