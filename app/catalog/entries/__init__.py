"""One file a service. To add one, copy text_to_image.py (a provider's task) or image_to_video.py (local work)."""
