"""What `docker compose up` needs of this project beside the chain: passwords, and one page that leads to everything."""
