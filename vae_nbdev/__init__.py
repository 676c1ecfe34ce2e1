"""Learn the distribution behind a family of smooth curves, and generate new ones.

What a user needs is here, and is loaded when it is first used: `from vae_nbdev import CurveVAE`.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
