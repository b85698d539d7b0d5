"""What Meta's channels share: webhook proofs, the Graph API's calls and errors, and the simulated Graph's machinery."""
