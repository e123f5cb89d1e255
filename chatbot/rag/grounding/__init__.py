"""What ties an answer to its passages: citations, support of claims, links, and whether there is an answer."""
