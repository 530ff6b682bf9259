"""The clouds behind one small interface, and the wall between them and the rest."""
