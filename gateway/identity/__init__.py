"""Who is who: the people of the config, and those whom a company's own sign-in vouches for."""
