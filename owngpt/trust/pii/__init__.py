"""Personal data: found in text by patterns, check digits, lists and the words around. No network, no model."""

from __future__ import annotations

from owngpt.trust.pii.detector import DetectionTimeout, Detector
from owngpt.trust.pii.entity import TYPES, Entity, replaced

__all__ = ["TYPES", "DetectionTimeout", "Detector", "Entity", "replaced"]
