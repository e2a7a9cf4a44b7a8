BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest

    function Complete([string] $Line) {
        [Management.Automation.CommandCompletion]::CompleteInput($Line, $Line.Length, $null).CompletionMatches
    }

    # A completer looks no further than for the file that makes a folder an image.
    foreach ($name in 'alpha', 'alpine', 'has blank', 'beta') {
        $null = New-Item -Force -ItemType File "$env:PSCRAC_IMAGE_ROOT/$name/inventory.img"
    }
    $null = New-Item -ItemType Directory "$env:PSCRAC_IMAGE_ROOT/alone"
}

AfterAll {
    Exit-CracTest
}

Describe 'completion' {
    It 'offers the names of images under the image root: <_>' -ForEach 'Get-CracImage al', 'Restore-CracProcess -Path al', 'Get-CracImage -LiteralPath al', 'Invoke-CracCheckpoint 1 -ImageName al', 'Remove-CracImage al' {
        (Complete $_).CompletionText | Select-Object -First 2 | Should -Be 'alpha', 'alpine'
        (Complete $_).CompletionText | Should -Not -Contain 'alone' -Because 'it is no image'
    }

    It 'offers a service where its images are taken, and not for the name of a new image' {
        $null = New-Item -Force -ItemType File "$env:PSCRAC_IMAGE_ROOT/shop/20261127-140533/inventory.img"
        (Complete 'Get-CracImage sho').CompletionText | Should -Contain 'shop'
        (Complete 'Remove-CracImage -LiteralPath sho').CompletionText | Should -Contain 'shop'
        (Complete 'Invoke-CracCheckpoint 1 -ImageName sho').CompletionText | Should -Be 'sho'
    }

    It 'quotes a name that needs it' {
        (Complete 'Get-CracImage has').CompletionText | Should -Contain "'has blank'"
    }

    It 'offers paths where a path is begun' {
        (Complete "Get-CracImage $env:PSCRAC_IMAGE_ROOT/be").CompletionText | Should -Be "$env:PSCRAC_IMAGE_ROOT/beta"
    }

    It 'offers what was typed, and no error, without an image root' {
        $before = $env:PSCRAC_IMAGE_ROOT
        try {
            $env:PSCRAC_IMAGE_ROOT = "$folder/none"
            Complete 'Invoke-CracCheckpoint 1 -ImageName al' | ForEach-Object CompletionText | Should -Be 'al'
        }
        finally {
            $env:PSCRAC_IMAGE_ROOT = $before
        }
    }

    It 'offers the ids of processes by id and by name: <_>' -ForEach 'Invoke-CracCheckpoint -Id', 'Test-CracProcess -Id' {
        $id = Start-TestProgram 'sleep 1000'
        (Complete "$_ sle").Where({ $_.CompletionText -eq $id }).ListItemText | Should -Be "$id (sleep)"
        (Complete "$_ $id").CompletionText | Should -Contain $id
        (Complete "$_ ").CompletionText | Should -Not -Contain $PID -Because 'a session does not checkpoint itself'
        (Complete "$_ ").CompletionText | Should -Not -Contain 2 -Because 'that is a thread of the kernel'
    }

    It 'offers the options of criu that -CriuOption is the way to give, ready to be filled in' {
        $offered = Complete 'Invoke-CracCheckpoint 1 -CriuOption '
        $offered.ListItemText | Should -Contain 'skip-mnt'
        $offered.ListItemText | Should -Not -Contain 'shell-job' -Because 'that is a parameter'
        $offered.ListItemText | Should -Not -Contain 'images-dir' -Because 'that is not the caller''s to set'
        (Complete 'Restore-CracProcess x -CriuOption skip-f').CompletionText | Should -Be "@{ 'skip-file-rwx-check' = `$true }"
    }
}
