"""Curves -> collapse, transfer metrics, score."""
