"""Lists of the images of each split, such as `train.txt` and `test.txt`, beside images whose folders tell no split."""
