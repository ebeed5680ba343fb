"""avouch: contract-based attestations, native to Kubernetes."""

__version__ = "0.1.0"
