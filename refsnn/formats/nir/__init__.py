"""NIR graphs: read as networks by named profiles, written with what they cannot say, traces as NIRData."""
