"""Models of other libraries as architectures: ``hf:llama``, ``timm:resnet18``; one file each."""
