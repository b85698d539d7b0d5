"""A strict Salesforce to try the broker against, without an account anywhere: tokens, REST and Pub/Sub over real sockets."""
