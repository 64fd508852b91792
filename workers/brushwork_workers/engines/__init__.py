"""Engines that run modules of a model in place of torch: ONNX Runtime, OpenVINO, and torch.compile.

A module is exported once per machine (`exporting`, `store`), compared with torch, and then called through
`EngineForward`, which replaces the `forward` of the module. Nothing else of a model changes, so proxies, the
batcher and pipelines call the module as before. See docs/engines.md.
"""
