"""What a replacement does with a point, from what is known of both sides. Pure."""
