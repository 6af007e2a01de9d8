"""Public labelled sets a user may fetch: name, what it is, where its page lies. Facts only, nothing is downloaded."""

from __future__ import annotations

SETS: tuple[tuple[str, str, str], ...] = (
    ("HyperKvasir", "10,662 images of the GI tract, 23 classes, no patient ids", "doi.org/10.1038/s41597-020-00622-y"),
    ("GastroHUN", "8,834 images of 387 patients, 22 stomach landmarks", "doi.org/10.1038/s41597-025-04401-5"),
    ("LIMUC", "11,276 images of 564 patients, Mayo score 0 to 3", "doi.org/10.5281/zenodo.5827695"),
    ("Kvasir-SEG", "1,000 polyp images with masks, no patient ids", "datasets.simula.no/kvasir-seg"),
    ("CVC-ClinicDB", "612 polyp images with masks, 29 sequences", "polyp.grand-challenge.org/CVCClinicDB"),
    ("PolypGen", "polyp masks of six centres", "doi.org/10.1038/s41597-023-01981-y"),
    ("WCEBleedGen", "2,618 capsule images, bleeding or not", "doi.org/10.5281/zenodo.10156571"),
)
