"""The HTTP API and the page: who is let in, what is asked, what is answered."""
