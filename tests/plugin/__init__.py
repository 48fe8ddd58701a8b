"""What the test run does around the tests: environment, servers, browser, and a wall to the network."""
