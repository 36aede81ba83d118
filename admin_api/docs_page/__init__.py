"""The page that shows the API: our part of it; script and style come from an installed package."""
