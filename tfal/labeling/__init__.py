"""A folder of pictures that people label: what they are asked, the page they answer on, and Label Studio."""
