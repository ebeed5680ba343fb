"""Properties hold or do not: how long one example takes says more of a busy machine than of them."""

import hypothesis

hypothesis.settings.register_profile("avouch", deadline=None)
hypothesis.settings.load_profile("avouch")
