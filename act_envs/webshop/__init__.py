"""WebShop: shopping among Amazon's products, searched as Lucene searches them."""
