"""Tests of each outcome, for the runners of the corpus."""

import unittest


class Cart(unittest.TestCase):
    """A cart of the shop."""

    def test_it_is_empty(self) -> None:
        self.assertEqual([], [])  # noqa: PT009  # runners of unittest report it

    def test_it_holds_what_was_put_in(self) -> None:
        for name in ("apple", "pear"):
            with self.subTest(name=name):
                self.assertIn(name, ("apple", "plum"))  # noqa: PT009  # runners of unittest report it

    def test_it_says_what_failed(self) -> None:
        print("caf\u00e9 \x1b[31mred\x1b[0m")
        self.assertEqual("caf\u00e9 <&>", "cafe")  # noqa: PT009  # runners of unittest report it

    def test_it_breaks(self) -> None:
        raise RuntimeError("]]> broken")

    @unittest.skip("closed on sundays")
    def test_it_is_skipped(self) -> None:
        pass


if __name__ == "__main__":
    unittest.main()
