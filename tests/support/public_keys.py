"""Public keys for who checks tokens, as `KeyFile` gives them."""

from joserfc.jwk import KeySet, OKPKey


class PublicKeys:
    """The public halves of these keys. `set` may be exchanged, as a file may."""

    def __init__(self, *keys: OKPKey) -> None:
        self.set = KeySet([OKPKey.import_key(key.as_dict(private=False)) for key in keys])

    def keys(self) -> KeySet:
        return self.set
