"""What changes or checks what an environment serves; prints nothing."""
