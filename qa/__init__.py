"""Questions, rankings, cited answers, and what people judge of them."""
