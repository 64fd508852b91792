"""Families that find edges, depth or poses in pictures, for ControlNets."""
