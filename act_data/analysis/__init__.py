"""What pairs say as a set: label noise, and what a judge without the state makes of them."""
