"""`brushwork provenance`: what files say about their origin."""
