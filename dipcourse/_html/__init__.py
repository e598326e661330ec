"""What a browser shows: HTML, one chart and the scripts that bring pages to life.

    shown       a piece of HTML that appears once, and is saved as a page
    chart       curves over the steps as SVG, the same in a page and in a live panel
    pictures    tensors as the pictures of a page
    scripts     common.js with player.js, compare.js or draw.js

May not enter: anything that knows a fit, a figure of Matplotlib or a widget.
"""
