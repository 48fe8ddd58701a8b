"""Resources that act by themselves: campaigns, workflows, agents; and what forms and surveys collect for them."""
