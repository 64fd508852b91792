"""`brushwork doctor`: looks at everything that a queue needs, and says what to fix."""
