"""Reports that real tools wrote over this repository, and the script that has them written anew."""
