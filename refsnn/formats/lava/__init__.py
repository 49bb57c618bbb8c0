"""lava-dl's .net files, and their networks in Loihi's integers."""
