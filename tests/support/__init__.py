"""What tests of several rooms share: people, running servers, gateways."""
