"""EvAPI: the car's topics of everest_api."""
