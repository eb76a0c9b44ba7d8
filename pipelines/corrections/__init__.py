"""What people say of a build's pictures, kept by content so that it holds in every later build."""
