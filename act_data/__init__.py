"""Expert trajectories and contrast pairs: collecting, mining, storing. Knows no trainer."""
