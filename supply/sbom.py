"""The software bill of materials: CycloneDX JSON 1.6 with version, hashes and licence of each locked package."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from supply import licences
from supply.lock import ROOT, LockedPackage


def write(locked: Iterable[LockedPackage], path: Path) -> int:
    """Write the document; how many packages it has. A hash is that of one of the package's archives."""
    bom, said = Bom(), licences.installed()
    bom.metadata.component = root = _root()
    packages = [_component(package, said.get(package.name, "")) for package in locked]
    bom.components.update(packages)
    bom.register_dependency(root, packages)
    JsonV1Dot6(bom).output_to_file(str(path), allow_overwrite=True, indent=2)
    return len(packages)


def _root() -> Component:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Component(name=project["name"], version=project["version"], type=ComponentType.APPLICATION, bom_ref="root")


def _component(package: LockedPackage, licence: str) -> Component:
    url = PackageURL("pypi", name=package.name, version=package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(url),
        purl=url,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in sorted(package.hashes)],
        licenses=[LicenseExpression(licence)] if licence else [],
    )
