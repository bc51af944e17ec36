"""The sphere: chunks and sub-chunks of positions, overlap, and the regions that queries name."""
