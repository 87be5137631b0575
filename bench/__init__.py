"""How fast, how much, how does it grow? One file per question; `python -m bench` asks them all."""
