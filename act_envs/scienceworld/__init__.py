"""ScienceWorld: 30 elementary-science tasks in a simulated house, through its own simulator."""
