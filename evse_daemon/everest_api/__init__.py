"""EVerest's API for other programs, in whichever language: what its module classes (``…_API``) have in common."""
