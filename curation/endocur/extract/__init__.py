"""From raw video and stills to stored frames: decode, view, overlays, planes."""
